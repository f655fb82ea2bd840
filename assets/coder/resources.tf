      # Container ${container}: one FUSE device. An extended resource wants the same number in both.
      resources {
        requests = {
          "${resource}" = "1"
        }
        limits = {
          "${resource}" = "1"
        }
      }
