"""Pages of the application, one module a page, and which path shows which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dash_mantine_components as dmc
import plotly
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from dash.fingerprint import build_fingerprint

from app.web.pages import browse, home, models, status, variants
from app.web.pages.frame import document
from app.web.theme import css_variables

if TYPE_CHECKING:
    from app.web.services import Services

#: The colour scheme is set before the first paint, so that a dark page never flashes white.
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
{%favicon%}
<style>{{theme}}</style>
{%css%}
<script>
(() => {
  const asked = new URLSearchParams(location.search).get("theme");
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.page = location.pathname.split("/").filter(Boolean).pop() || "";
  // A frame of that name is drawn to become a picture.
  document.documentElement.dataset.picture = window.name === "picture" ? "on" : "off";
  document.documentElement.dataset.theme = ["light", "dark"].includes(asked) ? asked : system;
})();
</script>
{{client}}
</head>
<body>
{{centre}}
{%app_entry%}
<footer hidden>
{%config%}
<script src="{{plotly}}"></script>
{%scripts%}
{%renderer%}
</footer>
</body>
</html>"""


def _not_found(path: str) -> Component:
    return document(
        html.H1("No such page"),
        html.P([f"There is nothing at {path[:100]}. ", html.A("Start here", href="/")]),
    )


def _client_scripts(app: Dash) -> str:
    """Returns the tags of our own scripts, which run before those of Dash.

    So the first view is asked for while the browser is still reading plotly.js and React.
    """
    folder = Path(app.config.assets_folder)
    return "\n".join(
        f'<script src="{app.get_asset_url(path.name)}?m={path.stat().st_mtime_ns}"></script>'
        for path in sorted(folder.glob("*.js"))
    )


def _plotly_script(app: Dash) -> str:
    """Returns the address of plotly.js, which the client uses without a Graph component.

    Dash serves it from the plotly package; with the fingerprint the browser keeps it for good.
    """
    file = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    app.registered_paths["plotly"].add("package_data/plotly.min.js")
    name = build_fingerprint(  # type: ignore[no-untyped-call]
        "package_data/plotly.min.js", plotly.__version__, int(file.stat().st_mtime)
    )
    path: str = app.get_relative_path(  # type: ignore[no-untyped-call]
        f"/_dash-component-suites/plotly/{name}"
    )
    return path


def register_pages(app: Dash, services: Services) -> None:
    """Gives the application its pages.

    Args:
        app: The application.
        services: The genomes, models and predictions that pages show.
    """
    parts = {
        "{{theme}}": css_variables(),
        "{{centre}}": browse.CENTRE,
        "{{client}}": _client_scripts(app),
        "{{plotly}}": _plotly_script(app),
    }
    app.index_string = INDEX
    for place, text in parts.items():
        app.index_string = app.index_string.replace(place, text)
    app.title = "Locuscope"
    app.layout = dmc.MantineProvider(
        [dcc.Location(id="url", refresh=False), html.Div(id="content")], id="mantine"
    )
    browse.register(app)
    variants.register(app)

    # Only the path chooses the page: the query belongs to the page itself, so that going back
    # one view does not build the page anew.
    @app.callback(Output("content", "children"), Input("url", "pathname"))
    def show_page(path: str) -> Component:
        match path.rstrip("/"):
            case "":
                return home.layout(services)
            case "/browse":
                return browse.layout(services)
            case "/variants":
                return variants.layout(services)
            case "/models":
                return models.layout(services)
            case "/status":
                return status.layout(services)
            case _:
                return _not_found(path)
