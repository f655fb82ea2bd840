        # Runs the container without the runtime's seccomp filter.
        seccomp_profile {
          type = "Unconfined"
        }
