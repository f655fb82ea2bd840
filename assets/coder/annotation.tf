    # Disables AppArmor for the container ${container}. Needed on
    # Debian and Ubuntu nodes; has no effect on other nodes.
    annotations = {
      "container.apparmor.security.beta.kubernetes.io/${container}" = "unconfined"
    }
