"""What one pass of a stage decides: `plan.plan` and the steps it takes, in the order of a rollout. Pure.

Read `plan` first, then `bring_up`, `rollout`, `routes`, `conclude` and `retire`. It may import `catalog` and `model`.
"""
