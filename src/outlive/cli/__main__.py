"""`python -m outlive.cli`, for where no entry point is installed."""

from outlive.cli import main

if __name__ == "__main__":
    main()
