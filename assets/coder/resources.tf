      # One FUSE device; both numbers must be equal.
      resources {
        requests = {
          "${resource}" = "1"
        }
        limits = {
          "${resource}" = "1"
        }
      }
