// Dash looks for clientside callbacks below window.dash_clientside.
(() => {
  "use strict";
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    controls: window.locuscope.controls,
  });
})();
