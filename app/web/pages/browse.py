"""`/browse`: the frame of the genome browser; ``assets/`` fills and moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_ag_grid
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, html

from app.genome.catalogue import Catalogue
from app.genome.own_files import MAX_BYTES
from app.genome.own_tracks import ENDINGS_TEXT
from app.web.pages.frame import text_box

if TYPE_CHECKING:
    from app.web.services import Services

KEYS = (
    ("← →", "pan; with Shift a whole screen"),
    ("+ −", "zoom in, zoom out"),
    ("/ or g", "search a locus, gene or variant"),
    ("n p", "next gene, previous gene"),
    ("v", "type a variant or another edit"),
    ("i", "in silico mutagenesis of the selection, or of the middle of the view; its settings"),
    ("d", "reference and alternate: overlay, difference, split"),
    ("a", "flip between reference and alternate"),
    (", .", "move the crosshair; with Shift select a region"),
    ("b", "substitutions of the base under the crosshair, or in the middle"),
    ("k", "genes there: names, strand, exons"),
    ("t", "gene row: one transcript a gene, collapsed, all transcripts"),
    ("x", "effects: table of what the edits do"),
    ("Delete", "delete the selection in silico"),
    ("r", "sequence: forward strand, reverse, both"),
    ("f", "show or hide the reading frames, from 2 px a base on"),
    ("Home End", "start and end of the chromosome"),
    ("c", "show or hide the contact map"),
    ("4", "contacts of the place under the crosshair (virtual 4C); again: none"),
    ("m", "spread of the predictions over an ensemble of readings"),
    ("Tab", "to the label of a row; there:"),
    ("↑ ↓", "previous, next row; with Alt move it, with Shift resize it"),
    ("Enter Del", "menu of the row; hide it"),
    ("h", "highlight the selection, or what is in view"),
    ("u", "undo: one view back"),
    ("l", "copy the link to this view"),
    ("e", "export pictures, data and the session"),
    ("o", "open a file: a track of your own, or a session"),
    ("Esc", "close what is open"),
    ("?", "this list"),
)

MOUSE = (
    ("Drag", "pan"),
    ("Wheel", "pan; over the labels on the left, scroll the rows"),
    ("Ctrl + wheel, pinch", "zoom at the pointer"),
    ("Double-click", "zoom in; with Shift out"),
    ("Drag on the ruler", "zoom to the region"),
    ("Click or drag the overview", "go there; a mark opens the view it stands for"),
    ("Shift + drag", "select a region: zoom, highlight, ISM, export, edit it"),
    ("Drag a row's label", "move the row; dropped on another, drawn over it"),
    ("Drag a row's lower edge", "resize it"),
    ("Click a highlight's flag", "edit its note, zoom to it, remove it; Tab goes there too"),
    ("Click a gene", "its names, strand, locus and exons"),
    ("Click a base", "from 6 px a base on: its three substitutions"),
    ("Click a contact map", "contacts of the base under the pointer (virtual 4C)"),
    ("Click a letter of a logo", "its changes, each with its effect, to try as a variant"),
    ("Drop a file", "add it as a track, or open the session in it"),
    ("Click a badge", "what the agreement means, with its scatter plot"),
)

# The library of the table has 1.3 MB; the client loads it when a table is first shown.
dash_ag_grid._js_dist[0]["dynamic"] = True


#: The tracks' own part of the page. It stands in the index, not in Dash's layout, so that the
#: first data can be drawn while the browser is still reading React; the client moves it into
#: ``centre-slot`` when Dash has written the rest.
CENTRE = f"""
<div id="early"><main id="centre">
  <div id="notes"></div>
  <div id="scroller">
    <div class="head">
      <div id="chromosome" class="gutter-cell"></div>
      <div id="overview" role="slider" tabindex="0" aria-label="Place on the chromosome">
        <div id="overview-pieces"></div><div id="overview-bands"></div>
        <div id="overview-features"></div><div id="overview-window"></div>
      </div>
      <div class="gutter-cell muted">Position</div>
      <div id="ruler" title="Drag to zoom to a region">
        <svg id="ruler-world" aria-hidden="true"></svg>
      </div>
    </div>
    <div id="canvas">
      <div id="gutter"></div>
      <div id="viewport" role="img" aria-label="Tracks along the genome">
        <div id="world"><div id="bands"></div><div id="figure" aria-hidden="true"></div></div>
        <div id="row-messages"></div>
        <div id="selection" hidden></div>
        <div id="crosshair" hidden></div>
      </div>
      <div id="row-guide" hidden></div>
    </div>
    <div id="rows-loading" aria-label="Loading">
      <div class="shimmer"></div><div class="shimmer"></div><div class="shimmer"></div>
      <div class="shimmer"></div><div class="shimmer"></div>
    </div>
    <div id="no-rows" hidden>No track is chosen. Pick a biosample or check tracks on the left.</div>
    <div id="page-message" role="alert" hidden></div>
    <input id="file-choice" type="file" multiple hidden aria-label="Own track, or session"
      data-most="{MAX_BYTES}" data-endings="{ENDINGS_TEXT}">
  </div>
</main></div>
"""


def _attributes(**names: str) -> dict[str, Any]:
    """Returns attributes whose names have a dash, as Dash's components take them."""
    return {name.replace("_", "-"): text for name, text in names.items()}


def _button(action: str, text: str, label: str) -> html.Button:
    return html.Button(
        text, className="tool", title=label, **_attributes(data_action=action, aria_label=label)
    )


def _words(id_: str, label: str, words: dict[str, str]) -> dmc.SegmentedControl:
    """Returns a choice of one of some words, by the value that a link has for it."""
    return dmc.SegmentedControl(
        id=id_,
        data=[{"value": value, "label": text} for value, text in words.items()],
        size="xs",
        fullWidth=True,
        **_attributes(aria_label=label),
    )


def _keys(rows: tuple[tuple[str, str], ...]) -> html.Dl:
    pairs = [(html.Dt(html.Kbd(keys)), html.Dd(text)) for keys, text in rows]
    return html.Dl([part for pair in pairs for part in pair], className="keys")


def _bar(catalogue: Catalogue) -> html.Header:
    return html.Header(
        [
            _button("toggle-side", "☰", "Show or hide the side panel"),
            html.A("Locuscope", href="/", className="logo"),
            dmc.Select(
                id="genome",
                data=[{"value": b.id, "label": b.name} for b in catalogue.bundles.values()],
                w=212,
                size="xs",
                allowDeselect=False,
                **_attributes(aria_label="Genome"),
            ),
            html.Div(
                [
                    text_box(
                        "locus",
                        "Locus, gene or variant",
                        "Locus, gene or variant: chr22:21,691,454-21,822,524, MAPK1",
                    ),
                    html.Div(id="suggestions", role="listbox", hidden=True),
                    html.Div(id="locus-message", className="locus-message", hidden=True),
                ],
                className="search",
            ),
            html.Div(
                [
                    _button("go-left", "‹", "Pan left (←)"),
                    _button("go-right", "›", "Pan right (→)"),
                    _button("zoom-out", "−", "Zoom out (-)"),
                    _button("zoom-in", "+", "Zoom in (+)"),
                    html.Span(id="view-width", className="view-width"),
                ],
                className="tools",
            ),
            html.Button(
                id="edits-badge",
                className="tool edits-badge",
                hidden=True,
                **_attributes(data_action="show-edits"),
            ),
            html.Span("simulated", className="simulated-badge"),
            html.Nav(
                [
                    html.A("Variants", href="/variants"),
                    html.A("Models", href="/models"),
                    html.A("Status", href="/status"),
                ],
                className="links",
            ),
            html.Div(
                [
                    _button("copy-link", "Copy link", "Copy the link to this view (l)"),
                    _button("show-export", "Export", "Pictures and data of this view (e)"),
                    _button("toggle-theme", "◐", "Light or dark"),
                    _button("show-help", "?", "Keys and mouse (?)"),
                ],
                className="tools",
            ),
        ],
        className="bar",
    )


def _side(services: Services) -> html.Aside:
    return html.Aside(
        [
            html.H2("Model"),
            dmc.Select(
                id="model",
                data=[
                    *(
                        {"value": card.id, "label": card.title}
                        for card in services.preferred_cards().values()
                    ),
                    {"value": "", "label": "No model: measurements only"},
                ],
                size="xs",
                allowDeselect=False,
                **_attributes(aria_label="Model"),
            ),
            html.P(id="validation", className="muted small"),
            html.P(id="licence-note", className="licence-note"),
            *_edits(),
            html.H2("Biosamples"),
            dmc.MultiSelect(
                id="biosamples",
                data=[],
                searchable=True,
                size="xs",
                limit=200,
                maxDropdownHeight=320,
                nothingFoundMessage="No biosample with that name, CURIE or synonym",
                placeholder="Name, CURIE or synonym",
                hidePickedOptions=False,
                filter={"function": "filterBiosamples"},
                **_attributes(aria_label="Biosamples"),
            ),
            html.H2("Predicted and observed"),
            _words(
                "overlay",
                "How predicted and observed share a row",
                {"stacked": "Stacked", "overlay": "Overlay", "mirror": "Mirror"},
            ),
            html.Div("One scale for", className="muted small"),
            _words(
                "autoscale",
                "What shares one scale",
                {"group": "Row", "each": "Each", "modality": "Modality"},
            ),
            dmc.Switch(
                id="ensemble",
                label="Spread over 6 readings (m)",
                description="Mean ± SD: both strands, each read 0 and ±1 bp off",
                size="xs",
                mt=8,
                checked=False,
            ),
            html.H2("Tracks"),
            html.Div(
                [
                    _button(
                        "choose-file", "Add a file", f"A track of your own: {ENDINGS_TEXT} (o)"
                    ),
                    _button("ask-address", "Add an address", "A track from an allowed host, https"),
                ],
                id="own-tools",
                className="tools",
                **_attributes(data_hosts=", ".join(sorted(services.settings.allowed_hosts))),
            ),
            dmc.Tree(
                id="track-tree", data=[], checkboxes=True, checked=[], expanded=[], levelOffset=14
            ),
        ],
        className="side",
        **_attributes(aria_label="Model, biosamples and tracks"),
    )


def _edits() -> list[Any]:
    return [
        html.H2("Variants and edits"),
        text_box(
            "edit-box",
            "Variant or edit; Enter adds it to those that are there",
            "chr22:21742118:T>G, chr-pos-ref-alt, VCF, chr22:100-200:del",
        ),
        html.Div(id="edit-message", className="error small", hidden=True, role="alert"),
        html.Div(id="edit-list"),
        html.Div(
            [
                _words(
                    "compare",
                    "How reference and alternate are compared (d, a)",
                    {
                        "overlay": "Overlay",
                        "difference": "Diff",
                        "split": "Split",
                        "reference": "Ref",
                        "alternate": "Alt",
                    },
                ),
                html.Button(
                    "Effects in every track",
                    className="tool wide",
                    title="Score both alleles of every track of the model (x)",
                    **_attributes(data_action="show-effects"),
                ),
            ],
            id="edit-controls",
            hidden=True,
        ),
    ]


def _floating() -> list[html.Div]:
    return [
        html.Div(
            [
                html.Div(id="selection-text"),
                html.Div(
                    [
                        _button("select-zoom", "Zoom", "Zoom to the selection"),
                        _button("select-highlight", "Highlight", "Highlight the selection (h)"),
                        _button("select-ism", "ISM", "In silico mutagenesis of the selection (i)"),
                        _button("select-copy", "Copy locus", "Copy the selected locus"),
                        _button("select-export", "Export", "Export the selection"),
                        _button("select-close", "×", "Close"),
                    ],
                    className="tools",
                ),
                html.Div(
                    [
                        _button("select-delete", "Delete", "Delete in silico"),
                        _button("select-invert", "Invert", "Invert in silico"),
                        _button("select-duplicate", "Duplicate", "Duplicate in silico"),
                        _button("select-shuffle", "Shuffle", "Shuffle, dinucleotides kept"),
                    ],
                    className="tools",
                ),
            ],
            id="selection-menu",
            hidden=True,
        ),
        html.Div(id="toast", role="status"),
    ]


def _drawer() -> html.Aside:
    return html.Aside(
        [
            html.Header(
                [
                    html.H2(id="drawer-title"),
                    _button("close-drawer", "×", "Close (Esc)"),
                ]
            ),
            html.Div(id="drawer-body"),
            html.Div(
                [
                    html.Div(id="effects-about"),
                    html.Div(id="effects-splicing"),
                    html.Div(id="effects-map"),
                    html.Div(id="effects-table"),
                ],
                id="effects-panel",
                hidden=True,
            ),
        ],
        id="drawer",
        hidden=True,
    )


def _status() -> html.Footer:
    return html.Footer(
        [
            html.Span("connecting", id="worker-state"),
            html.Span(id="readout"),
            html.Span("not for clinical use"),
        ],
        id="status",
    )


def layout(services: Services) -> html.Div:
    """Returns the frame of the page for the genomes and models that are served."""
    return html.Div(
        [
            _bar(services.catalogue),
            html.Div([_side(services), html.Div(id="centre-slot"), _drawer()], className="body"),
            _status(),
            *_floating(),
            dmc.Modal(
                html.Div(
                    [
                        html.Section([html.H3("Keys"), _keys(KEYS)]),
                        html.Section([html.H3("Mouse"), _keys(MOUSE)]),
                    ],
                    className="help-columns",
                ),
                id="help",
                title="Moving around",
                size="64rem",
                closeButtonProps=_attributes(aria_label="Close"),
            ),
        ],
        className="page",
    )


def register(app: Dash) -> None:
    """Connects the controls of the panel to the client."""
    for component, prop, function in (
        ("genome", "value", "genome"),
        ("model", "value", "model"),
        ("biosamples", "value", "biosamples"),
        ("track-tree", "checked", "tracks"),
        ("overlay", "value", "overlay"),
        ("autoscale", "value", "autoscale"),
        ("ensemble", "checked", "ensemble"),
        ("compare", "value", "compare"),
    ):
        app.clientside_callback(  # type: ignore[no-untyped-call]
            ClientsideFunction("controls", function),
            Input(component, prop),
            prevent_initial_call=True,
        )
