"""The failure scenario, run for real: functions that vanish without a word, first straight on the database, then
through Outlive. Nothing here knows a protocol but the file that is named after it.
"""
