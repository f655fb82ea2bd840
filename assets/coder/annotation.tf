    # AppArmor lets the container ${container} alone: for Debian
    # and Ubuntu nodes; elsewhere it does nothing.
    annotations = {
      "container.apparmor.security.beta.kubernetes.io/${container}" = "unconfined"
    }
