"""x"""

Balance = build_balanced = table_of = None
