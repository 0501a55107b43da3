"""Read-outs: functions of arrays that know nothing of the model that made them."""
