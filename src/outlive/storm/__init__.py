"""The failure scenario, run for real: functions that vanish without a word, first straight on the database, then
through Outlive.
"""
