// What every part of the client uses. One name is global: window.locuscope.
(() => {
  "use strict";

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  // Black or white, whichever has more contrast on a colour (three numbers of 0 to 255): 4.5 to 1 at
  // least, by the relative luminance of WCAG 2.
  function inkOn(rgb) {
    const linear = rgb.map((c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? "#000000" : "#ffffff";
  }

  // The three numbers of #rrggbb.
  const channels = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

  window.locuscope = {
    $: (id) => document.getElementById(id),
    make,
    inkOn,
    channels,
    setProps: (id, props) => window.dash_clientside.set_props(id, props),
  };
})();
