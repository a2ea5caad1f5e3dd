"""Every colour and size of the page, for Python figures and (as CSS variables) for the browser."""

from __future__ import annotations

from typing import Final, Literal

Mode = Literal["light", "dark"]

FONT: Final = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', sans-serif"
)

PALETTE: Final[dict[Mode, dict[str, str]]] = {
    "light": {
        "paper": "#FFFFFF",
        "panel": "#F7F8FA",
        "line": "#E3E6EB",
        "ink": "#1B2430",
        "muted": "#5B6470",
        "accent": "#2F5BD8",
        "on-accent": "#FFFFFF",
        "danger": "#B2182B",
        "start": "#0B6E34",
        "notice": "#FFF6DC",
        "hatch": "rgba(91, 100, 112, 0.16)",
        "missing": "#D5D9DF",
        "highlight": "rgba(240, 228, 66, 0.28)",
        "shadow": "0 6px 24px rgba(27, 36, 48, 0.16)",
    },
    "dark": {
        "paper": "#12161C",
        "panel": "#1A2029",
        "line": "#2B3440",
        "ink": "#E7ECF3",
        "muted": "#98A3B3",
        "accent": "#7EA2FF",
        "on-accent": "#12161C",
        "danger": "#FF8A80",
        "start": "#3CC274",
        "notice": "#3A3216",
        "hatch": "rgba(152, 163, 179, 0.18)",
        "missing": "#3A434F",
        "highlight": "rgba(240, 228, 66, 0.20)",
        "shadow": "0 6px 24px rgba(0, 0, 0, 0.5)",
    },
}

#: Colour of a modality's data: Okabe-Ito hues, so that families can be told apart by everyone.
MODALITY_COLOURS: Final[dict[str, str]] = {
    "ATAC": "#0072B2",
    "DNASE": "#56B4E9",
    "RNA_SEQ": "#009E73",
    "CAGE": "#00694E",
    "PROCAP": "#5BBE8F",
    "CHIP_HISTONE": "#E69F00",
    "CHIP_TF": "#D55E00",
    "SPLICE_SITES": "#CC79A7",
    "SPLICE_SITE_USAGE": "#9B5DA5",
    "SPLICE_JUNCTIONS": "#7A3B73",
    "CONTACT_MAPS": "#2A788E",
    "ELEMENTS": "#5B6470",
    "BASE_PROBABILITY": "#5B6470",
    "OWN": "#5B6470",
}

#: The same, lifted where the hue is too dark to be seen on the dark ground.
MODALITY_COLOURS_DARK: Final[dict[str, str]] = MODALITY_COLOURS | {
    "ATAC": "#3FA0DC",
    "RNA_SEQ": "#1DBE8E",
    "CAGE": "#3DA883",
    "SPLICE_SITE_USAGE": "#B983C2",
    "SPLICE_JUNCTIONS": "#B071A8",
    "CONTACT_MAPS": "#4FA7BC",
    "ELEMENTS": "#98A3B3",
    "BASE_PROBABILITY": "#98A3B3",
    "OWN": "#98A3B3",
}

#: Bases of the sequence; lifted on the dark ground.
BASES: Final[dict[Mode, dict[str, str]]] = {
    "light": {"A": "#109648", "C": "#255C99", "G": "#E8A317", "T": "#D62839"},
    "dark": {"A": "#3CC274", "C": "#6AA5E6", "G": "#F2BC4B", "T": "#F4707C"},
}

#: What the alternate has more and less of than the reference; lifted on the dark ground.
DIFFERENCE: Final[dict[Mode, dict[str, str]]] = {
    "light": {"gain": "#B2182B", "loss": "#2166AC"},
    "dark": {"gain": "#F4707C", "loss": "#6AAEE8"},
}

#: Colours of contact maps from the lowest to the highest value: for contacts viridis (van der Walt
#: and Smith, CC0), for log ratios blue over white to red, whose middle is 0.
RAMPS: Final[dict[str, tuple[str, ...]]] = {
    "signal": (
        *("#440154", "#482475", "#414487", "#355F8D", "#2A788E", "#21918C"),
        *("#22A884", "#44BF70", "#7AD151", "#BDDF26", "#FDE725"),
    ),
    "ratio": (
        *("#2166AC", "#4393C3", "#92C5DE", "#D1E5F0", "#F7F7F7"),
        *("#FDDBC7", "#F4A582", "#D6604D", "#B2182B"),
    ),
}

#: Sizes in px that Python figures and the style sheet share.
SIZES: Final[dict[str, int]] = {
    "bar": 48,
    "status": 24,
    "side": 264,
    "drawer": 360,
    "gutter": 168,
    "row": 56,
    "gap": 6,
    "ruler": 26,
    "overview": 22,
    "gene-lane": 26,
    "ism": 112,
}


def modality_colour(modality: str, mode: Mode) -> str:
    """Returns the hex colour of a modality's data on a light or dark ground."""
    return (MODALITY_COLOURS_DARK if mode == "dark" else MODALITY_COLOURS)[modality]


def rgba(colour: str, opacity: float) -> str:
    """Returns a hex colour such as ``#0072B2`` as ``rgba(0, 114, 178, opacity)``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def css_variables() -> str:
    """Returns the tokens as CSS custom properties, dark ones below ``[data-theme=dark]``."""

    def block(selector: str, mode: Mode, extra: dict[str, str]) -> str:
        colours = {f"modality-{m.lower()}": modality_colour(m, mode) for m in MODALITY_COLOURS}
        colours |= {f"base-{base.lower()}": colour for base, colour in BASES[mode].items()}
        tokens = PALETTE[mode] | DIFFERENCE[mode] | colours | extra
        return selector + "{" + "".join(f"--{k}:{v};" for k, v in tokens.items()) + "}"

    shared = {name: f"{px}px" for name, px in SIZES.items()} | {"font": FONT}
    shared |= {f"ramp-{name}": ", ".join(colours) for name, colours in RAMPS.items()}
    return block(":root", "light", shared) + block("[data-theme=dark]", "dark", {})
