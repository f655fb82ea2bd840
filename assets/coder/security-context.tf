    # Runs as the image's user podman (or coder), not as root. Only if
    # neither the pod nor the container sets a user, and never with envbuilder.
    security_context {
      run_as_user = 1000
      fs_group    = 1000
    }
