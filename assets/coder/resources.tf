      # One FUSE device; both want the same number.
      resources {
        requests = {
          "${resource}" = "1"
        }
        limits = {
          "${resource}" = "1"
        }
      }
