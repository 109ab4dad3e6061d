"""The PapLoop service: Label Studio, HTTP, SQL and Redis live here and nowhere else."""
