"""Plain mode: the same steps as questions and lines of text, for screen readers, serial consoles, and basic terminals.

It never redraws a line or moves the cursor. It uses the same session, plan, and executor as the screens. Of the
template policy it offers the merge and the field policies, but not the editor.
"""

from wizard.plain.telling import help_text as help_text
from wizard.plain.walk import run_plain as run_plain
