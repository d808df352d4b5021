"""The whole pipeline on music that people made: what is in two of Debian's packages, and copies in other formats."""
