"""The gene circuit of Wang et al., Nat. Commun. 10, 4354 (2019), written from its equations for comparison.

Everything is explicit (Heun's formula, diffusion included), in plain numpy, on the published grid, with the
binding of lysozyme brought to equilibrium every 0.01.
"""

import numpy as np


def groups(p):
    spacing = 0.18898
    return {
        "G1": p["KC"] / spacing**2 / p["ac"],
        "G2": 0.3,
        "G3": 0.6814 * spacing**3 / p["ac"] / p["R"] ** 2,
        "G4": p["g4"] / p["ac"] / p["R"] ** 2,
        "G5": p["dA"] / p["ac"],
        "G6": 0.0144 / p["ac"],
        "G8": 0.3 / p["ac"],
        "G9": p["aT"] / (p["ac"] * p["KT"]),
        "G10": 0.0144 * p["KT"] / p["aL"],
        "G11": 0.0144 / p["aL"] / 0.037,
        "G12": 0.0144 * p["KP"] / p["aL"],
    }


def solve(p, points, timestep, duration):
    """Fields C, L, T, P, F (5, points), nutrient and AHL after a time."""
    G = groups(p)
    h, r = 80 / points, np.linspace(0, 80, points)
    weight = 2 * np.pi * r * (r[1] - r[0])
    weight[-1] /= 2
    fields = np.zeros((5, points))
    fields[0] = 0.2 * np.exp(-(np.linspace(0, np.pi, points) ** 2) / 0.005)
    fields[2] = 0.1 * fields[0]
    pools = np.array([1.0, 0.0])

    def mirrored(X):
        return np.concatenate([X[..., 1:2], X, X[..., -2:-1]], axis=-1)

    def rates(fields, pools, capacity):
        C, L, T, P, F = fields
        nutrient, signal = pools
        mu = (1 - C) * nutrient / (G["G2"] + nutrient) / (1 + p["alpha"] * T + p["beta"] * L)
        g = np.where(C > 0, capacity * T / (1 + T), 0)
        response = signal**2 / (1 + signal**2)
        wide = mirrored(fields)
        slope = (wide[:, 2:] - wide[:, :-2]) / (2 * h)
        bend = (wide[0, 2:] - 2 * C + wide[0, :-2]) / h**2
        diffusion = 2 * G["G1"] * bend
        diffusion[1:] = G["G1"] * (bend[1:] + slope[0, 1:] / r[1:])
        flux = G["G1"] * slope[0] / (C + 1e-5) * slope
        reaction = np.stack(
            [
                mu * C,
                -mu * L - G["G6"] * L + G["G6"] * g * response,
                -mu * T - G["G8"] * T + G["G9"] * g / (1 + P),
                -mu * P,
                -mu * F + g * response,
            ]
        )
        flux[0] = diffusion
        change = [
            -G["G3"] * np.sum(weight * C * mu),
            G["G4"] * np.sum(weight * C * g / (1 + P)) - G["G5"] * signal,
        ]
        return reaction + flux, np.array(change)

    every = round(0.01 / timestep)
    for step in range(round(duration / timestep)):
        capacity = np.ones(points)
        if (step // every + 1) * 0.01 > 10.005:
            C = fields[0]
            rim = h * (1 + np.argmax(0.9 * C.max() > C))
            depth = np.maximum(rim - r, 0)
            capacity = p["Kphi"] ** p["n"] / (p["Kphi"] ** p["n"] + depth ** p["n"])
        first, pool_first = rates(fields, pools, capacity)
        second, pool_second = rates(fields + timestep * first, pools + timestep * pool_first, capacity)
        fields = fields + timestep / 2 * (first + second)
        pools = pools + timestep / 2 * (pool_first + pool_second)
        if (step + 1) % every == 0:
            C, L, T, P, F = fields
            b = L - G["G10"] * T - G["G11"]
            free = (b + np.sqrt(b**2 + 4 * G["G11"] * (L + G["G12"] * P))) / 2
            fields = np.stack([C, free, T - (L - free) / G["G10"], P + (L - free) / G["G12"], F])
    return fields, pools
