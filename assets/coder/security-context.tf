    # Kubernetes pod, spec: everything runs as the image's user podman (or coder), never as root.
    security_context {
      run_as_user = 1000
      fs_group    = 1000
    }
