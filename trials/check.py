"""x"""

Findings = None
check = None
