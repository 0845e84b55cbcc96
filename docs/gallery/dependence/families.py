"""
# The family that intervals speak of

Learned intervals hold on average over a stated family of laws. A family can be sampled, mixed, or shaped
like your own data.
"""

import matplotlib.pyplot as plt
import numpy as np

from validstats.mi import FamilyMixture, FlowFamily, default_family

rng = np.random.default_rng(6)
own = FlowFamily(rng.exponential(size=(200, 1)), rng.uniform(size=(200, 1)))
mixed = FamilyMixture({"own": own, "default": default_family()}, [0.5, 0.5])
figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for ax, index in zip(axes, (1, 2, 3)):
    sample = own.sample(seed=0, index=index)
    ax.plot(sample.x[:, 0], sample.y[:, 0], ".", markersize=3, color="#1f6f78")
    ax.set_title(f"{sample.mutual_information:.2f} nats", fontsize=10)
print("one of the mixture:", mixed.sample(seed=0, index=0).mutual_information.__round__(2), "nats")
