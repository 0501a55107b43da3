"""Read-outs: functions of arrays independent of the model that produced them."""
