"""
The database behind the ports: tables, migrations, one module per port; the only place with SQL.

It holds no rule about what may be stored beyond what a port documents, and it never decrypts.
"""
