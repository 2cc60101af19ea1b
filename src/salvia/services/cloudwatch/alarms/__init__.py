"""Metric alarms: asked for, evaluated, and shown. Composite alarms and anomaly detection are refused."""
