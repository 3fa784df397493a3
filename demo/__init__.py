"""The demo: four pipelines fail in four ways on a real Airflow, and the terminal tells what became of it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY / "plugins"), str(REPOSITORY)]
