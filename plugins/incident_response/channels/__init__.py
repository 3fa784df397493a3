"""Ways to reach people and Airflow. Each delivers one message once, or says that it could not."""
