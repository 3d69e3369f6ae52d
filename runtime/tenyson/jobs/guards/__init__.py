"""What a training run is watched for: pure objects, fed with the trainer's logged metrics."""
