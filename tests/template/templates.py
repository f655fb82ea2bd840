"""Templates for tests: a pod of the usual form, of which each test changes what it is about."""

from __future__ import annotations

FUSE = '"smarter-devices/fuse" = "1"'
ANNOTATION = "container.apparmor.security.beta.kubernetes.io"
LIMITS = '        limits = {\n          cpu = "2"\n        }\n'
CONTAINER = """\
    container {
      name    = "dev"
      image   = "example.org/podman:1"
      command = ["sh", "-c", coder_agent.main.init_script]
      resources {
%s      }
      volume_mount {
        mount_path = "/home/podman"
        name       = "home"
      }
    }
"""
POD = """\
resource "coder_agent" "main" {
  os = "linux"
}

# the workspace
resource "kubernetes_pod_v1" "main" {
  metadata {
    name = "coder"
  }
  spec {
%s  }
}
"""
STARTER = """\
resource "kubernetes_deployment_v1" "main" {
  count = data.coder_workspace.me.start_count
  metadata {
    name      = "coder-${data.coder_workspace.me.id}"
    namespace = var.namespace
    annotations = {
      "com.coder.user.email" = data.coder_workspace_owner.me.email
    }
  }
  spec {
    replicas = 1
    template {
      metadata {
        labels = {
          "app.kubernetes.io/name" = "coder-workspace"
        }
      }
      spec {
        security_context {
          run_as_user     = 1000
          fs_group        = 1000
          run_as_non_root = true
        }
        container {
          name    = "dev"
          image   = "codercom/enterprise-base:ubuntu"
          command = ["sh", "-c", coder_agent.main.init_script]
          security_context {
            run_as_user = "1000"
          }
          env {
            name  = "CODER_AGENT_TOKEN"
            value = coder_agent.main.token
          }
          resources {
            requests = {
              "cpu"    = "250m"
              "memory" = "512Mi"
            }
            limits = {
              "cpu"    = "${data.coder_parameter.cpu.value}"
              "memory" = "${data.coder_parameter.memory.value}Gi"
            }
          }
          volume_mount {
            mount_path = "/home/coder"
            name       = "home"
          }
        }
      }
    }
  }
}
"""


def container(resources: str = LIMITS) -> str:
    return CONTAINER % resources


def pod(containers: str = "") -> str:
    return POD % (containers or container())


def limits(text: str) -> str:
    """A pod whose limits are written so."""
    return pod(container(f"        limits = {text}\n"))
