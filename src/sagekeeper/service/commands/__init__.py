"""The commands, a file per room of the house. A command imports what it runs when it runs: ``--help`` stays quick."""
