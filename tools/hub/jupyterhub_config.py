"""JupyterHub for a class: what the course asks of a hub. CLASS.md says how to use it.

The Littlest JupyterHub loads it from /opt/tljh/config/jupyterhub_config.d/, behind its own
settings; any other hub loads it by `jupyterhub -f jupyterhub_config.py`.
"""

import sys

c = get_config()  # noqa: F821 (JupyterHub provides it)

c.Spawner.environment.update(
    {
        # One copy of MNIST for all, in MNIST/raw/. It belongs to root, and all others only read.
        "COURSE_DATA": "/srv/vae-data",
        # Torch counts the machine's cores, not a user's share of them, and its threads keep a core
        # busy while they wait for each other. So: as many threads as a user has cores.
        "OMP_NUM_THREADS": "1",
    }
)
# A kernel's ports are chosen a second before it takes them, so another user's kernel may take one
# first. Then Jupyter starts it on new ports, but only without this cache.
c.Spawner.args.extend(["--KernelManager.cache_ports=False"])

c.Spawner.default_url = "/lab/tree/vae-course/notebooks/start_here.ipynb"

# Two notebooks at once. Systemd and Kubernetes enforce it; a hub that starts plain processes, as
# JupyterHub does if nobody says otherwise, only tells the user.
c.Spawner.mem_limit = "4G"

# When all come at nine, servers take longer to start than JupyterHub is ready to wait for one.
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300

# A hub that is not The Littlest: behind a web server that speaks HTTPS, and with a service that
# stops whoever was idle for two hours. The Littlest has both (see `tljh-config`).
if "services" not in c.JupyterHub:
    c.JupyterHub.bind_url = "http://127.0.0.1:8000"
    idle = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=7200"]
    c.JupyterHub.services = [{"name": "idle-culler", "command": idle}]
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    role = {"name": "idle-culler", "scopes": scopes, "services": ["idle-culler"]}
    c.JupyterHub.load_roles = [role]
