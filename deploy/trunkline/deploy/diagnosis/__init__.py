"""Diagnosis: what is wrong with a cluster, told from its facts. Pure.

``finding``      one thing that is wrong, and how it is mended
``redis_checks``, ``machine_checks``, ``process_checks``, ``queue_checks``  functions from facts to findings
``checks``       all of them
``report``       the findings as text, as rich text and as JSON
"""
