"""Offline jobs: large collections embedded shard by shard, with a ledger that accounts for every input (docs/jobs.md).

inputs       what there is to do: folders, manifests, archives -> rows
create       rows -> lists of shards, and the job's specification
worker       one shard -> its vectors and facts, committed by one rename; shards/ makes, commits and reads it
distributor  who runs the shards: this process, processes (local/), Ray (on_ray/)
driver       runs what is not done yet, and writes down how far it is
library/     committed shards -> an ordinary library, in the order of the ledger; merging
"""
