    # Kubernetes pod, metadata: AppArmor lets the container ${container} alone.
    # Needed on Debian- and Ubuntu-derived nodes; elsewhere it does nothing.
    annotations = {
      "container.apparmor.security.beta.kubernetes.io/${container}" = "unconfined"
    }
