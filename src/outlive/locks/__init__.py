"""The wait and release service: signals and mutexes for functions that hold no connection while they wait."""
