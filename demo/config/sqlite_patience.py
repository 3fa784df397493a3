"""How long Airflow's components wait for the lock of their SQLite database, in seconds.

The API server writes its audit log in its event loop. When another of its requests holds the lock, that one
needs the event loop to let go, and both wait until the patience of the first is over: a short one, and a 500
that whoever asked repeats. The others do well to wait: with SQLite's usual 5 s the triggerer dies in a flood.
"""

import sys

connect_args = {"timeout": 2 if "api-server" in sys.argv else 60}
