"""Annotation of texts by the million: read, cut into shards, recognised by many processes, joined in order.

`inputs` reads files, each as `texts`, which are `lines`, `parquet` or `tasks`. `shards` cuts and keeps, `outputs`
writes. `worker` finds entities, `local` and `on_ray` hand shards to workers, `run` is the way through all of it.
"""
