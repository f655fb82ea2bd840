"""The export of the plan to a folder, for someone who has the permissions that the user lacks.

The folder is written from the plan that every door shows and executes. It needs no permission on the cluster: what the
server was not asked is named first, and ``commands.sh`` asks it before it changes anything. If a GitOps tool owns
objects of the plan, an overlay contains the changes to them, for its repository; it can also be written alone.
"""

from __future__ import annotations

from wizard.handover.folder import closed_gates, write_handover
from wizard.handover.overlay import overlay_files, write_overlay
from wizard.handover.role import role_of

__all__ = ["closed_gates", "overlay_files", "role_of", "write_handover", "write_overlay"]
