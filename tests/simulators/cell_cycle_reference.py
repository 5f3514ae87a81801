"""The MYC/E2F network of Wang et al., Nat. Commun. 10, 4354 (2019), from its equations for comparison.

Concentrations are in uM. `langevin` draws a normal deviate for each reaction of each cell and step.
"""

import numpy as np

MOLECULES = 602.0


def reactions(x, k, S):
    """Rates (uM/h) of what each species makes, of what it loses, and of the six exchanges."""
    MC, EFm, EFp, CD, RB, CE, RP, RE, AF, MR = x
    s = S / (k["KS"] + S)
    one = np.ones_like(MC)
    made = [
        [k["kMC"] * s * one],
        [
            (
                k["kS"] * s
                + k["kEFm"] * MC / (k["KMC"] + MC) * EFp / (k["KEF"] + EFp)
                + k["kb"] * MC / (k["KMC1"] + MC)
            )
            * k["KR"]
            / (k["KR"] + MC)
        ],
        [k["kEFp"] * EFm * k["KMR"] / (k["KMR"] + MR)],
        [k["kCD"] * MC / (k["KMCCD"] + MC), k["kCDS"] * s * one],
        [k["kRB"] * one],
        [k["kCE"] * EFp / (k["KEF"] + EFp)],
        [],
        [],
        [k["kAFb"] * one, k["kAFEF"] * EFp / (k["KAFEF"] + EFp), k["kAFMC"] * MC / (k["KAFMC"] + MC)],
        [k["kMRMC"] * MC / (k["KMRMC"] + MC), k["kMREF"] * EFp / (k["KMREF"] + EFp)],
    ]
    decays = ("dMC", "dEFm", "dEFp", "dCD", "dRB", "dCE", "dRP", "dRE", "dAF", "dMR")
    lost = [k[name] * amount for name, amount in zip(decays, x, strict=True)]
    lost[2] = lost[2] * (1 + k["KAFR"] * AF)
    exchange = [
        k["kRBP1"] * CD * RE / (k["KCD"] + RE),
        k["kRBP2"] * CE * RE / (k["KCE"] + RE),
        k["kRE"] * RB * EFp,
        k["kRBDP"] * RP / (k["KRP"] + RP),
        k["kRBP1"] * CD * RB / (k["KCD"] + RB),
        k["kRBP2"] * CE * RB / (k["KCE"] + RB),
    ]
    return made, lost, exchange


CHANGES = {2: (1, 1, -1, 0, 0, 0), 4: (0, 0, -1, 1, -1, -1), 6: (1, 1, 0, -1, 1, 1), 7: (-1, -1, 1, 0, 0, 0)}
"""Species -> molecules that each exchange gives it."""


def slope(x, k, S):
    """dx/dt without noise, uM/h."""
    made, lost, exchange = reactions(x, k, S)
    change = np.array([sum(m) - n for m, n in zip(made, lost, strict=True)])
    for species, signs in CHANGES.items():
        change[species] = change[species] + sum(s * e for s, e in zip(signs, exchange, strict=True))
    return change


def langevin(k, S, *, cells, hours, dt, sigma, delta, seed):
    """Final concentrations, array (10, cells)."""
    rng = np.random.default_rng(seed)
    x = np.zeros((10, cells))
    amplitude = sigma * np.sqrt(dt / MOLECULES)
    for _ in range(round(hours / dt)):
        made, lost, exchange = reactions(x, k, S)
        fluxes = [e * dt + amplitude * np.sqrt(e) * rng.standard_normal(cells) for e in exchange]
        new = x.copy()
        for species in range(10):
            for rate in made[species]:
                new[species] += rate * dt + amplitude * np.sqrt(rate) * rng.standard_normal(cells)
            rate = lost[species]
            new[species] -= rate * dt + amplitude * np.sqrt(rate) * rng.standard_normal(cells)
            for sign, flux in zip(CHANGES.get(species, (0,) * 6), fluxes, strict=True):
                new[species] += sign * flux
            new[species] += delta / MOLECULES * dt * rng.standard_normal(cells)
        x = np.maximum(new, 0)
    return x
