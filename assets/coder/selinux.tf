        # Runs the container with the SELinux type for container engines.
        se_linux_options {
          type = "container_engine_t"
        }
