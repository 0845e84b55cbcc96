"""
# Do machine labels help at all?

Before expert labels are bought: how many of them the machine is worth.
"""

from validstats.dsl import forecast_gain

forecast = forecast_gain(20_000, [100, 200, 500, 1000], accuracy=0.9, prevalence=0.4)
print(forecast.verdict)
forecast.plot()
forecast.summary()
