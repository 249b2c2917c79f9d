// What is pressed before a page's modules are there is done when they are, so that no press is lost on a slow line.
{
  let pressed = null;
  const hold = (event) => {
    const button = event.target.closest("button[type=button]:not([popovertarget])");
    if (!button) return;
    event.stopImmediatePropagation();
    pressed = button;
  };
  addEventListener("click", hold, true);
  addEventListener("DOMContentLoaded", () => {
    removeEventListener("click", hold, true);
    pressed?.click();
  });
}
