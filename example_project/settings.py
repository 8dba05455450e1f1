"""Settings: three queues on the broker of BROKER_URL. The demo sets BROKER_FOLDER for Kombu's filesystem transport."""

import os

from kombu import Queue

broker_url = os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0")
broker_connection_retry_on_startup = True
task_ignore_result = True
task_default_queue = "default"
task_queues = [Queue("default"), Queue("mail"), Queue("reports")]
task_routes = {
    "example_project.tasks.send_mail": {"queue": "mail"},
    "example_project.tasks.remind": {"queue": "mail"},
    "example_project.tasks.build_report": {"queue": "reports"},
}

if broker_url.startswith("filesystem://"):
    folder = os.environ["BROKER_FOLDER"]
    broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": os.path.join(folder, "control"),
        "polling_interval": 0.1,
    }
