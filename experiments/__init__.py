"""What is good, and how we know: trainings and scores that take hours, each with the tables that it made.

``python -m experiments.ablations`` trains small networks that differ in one thing; ``python -m experiments.scores``
measures the bundled checkpoints, ``python -m experiments.heldout`` one of them against another on photos of your own,
``python -m experiments.overfit`` asks whether one has learned its photos by heart;
``inputs``, ``palette``, ``refine``, ``films`` and ``twin`` ask one question each, ``soup`` averages networks.
What is fast is asked in benchmarks/. Tables are lists of rows, as `colorlib.files` reads and writes them: of pandas no
more than a mean would be used.
"""
