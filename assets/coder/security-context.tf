    # All runs as the image's user podman (or coder), not root.
    security_context {
      run_as_user = 1000
      fs_group    = 1000
    }
