// What every part of the client uses. One name is global: window.locuscope.
(() => {
  "use strict";

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  window.locuscope = {
    $: (id) => document.getElementById(id),
    make,
    setProps: (id, props) => window.dash_clientside.set_props(id, props),
  };
})();
