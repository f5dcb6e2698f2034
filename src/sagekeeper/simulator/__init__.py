"""An AWS account that bills: moto's server, completed where it has gaps, with a world that meters what stands in it.

Start it: ``sagekeeper simulate serve``, ``python -m sagekeeper.simulator --state DIR``, or in a test ``with
process.start(DIR) as account:``. The world is made from a seed and an anchor time (``organisation.py`` lists its
endpoints, training families and notebooks), changes by API calls, and is metered by one function (``meter.py``) that
Cost Explorer's answers come from. Metrics (``traffic.py``), captures and monitor reports (``captures.py``) follow the
same world. Time is the account's own: it runs with the machine's at ``--speed`` and jumps with ``sagekeeper simulate
advance``. What was done to it is journalled and survives a kill.

For tests: ``hackathon-demo`` and ``fraud-scoring-challenger`` are idle and opted in, ``price-elasticity`` and
``sentiment-bert`` are far too large, ``house-price-regression`` drifts in two features, ``speech-to-text`` is
asynchronous, ``thumbnail-scorer`` serverless, ``voice-intent-test`` three days old. All are in both scales.
"""
