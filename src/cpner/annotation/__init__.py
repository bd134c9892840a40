"""Annotation of texts by the million: read, cut into shards, recognised by many processes, joined in order.

`texts`, `inputs` and `parquet` read, `shards` cuts and keeps, `worker` finds entities, `local` and `on_ray` hand shards
to workers, `run` is the way through all of it.
"""
