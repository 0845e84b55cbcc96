// Sliders of the page of live figures: numbers were simulated beforehand and lie in live_data.js.
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("div.live")) {
    const told = (window.validstatsLive || {})[place.dataset.name];
    if (!told) continue;
    const last = told.points.length - 1;
    place.innerHTML = `<label><span class="knob"></span>
      <input type="range" min="0" max="${last}" value="${Math.floor(last / 2)}" step="1"></label>
      <div class="bar usual"><span></span></div><p class="usual"></p>
      <div class="bar ours"><span></span></div><p class="ours"></p><p class="words"></p>`;
    const input = place.querySelector("input");
    const part = (selector) => place.querySelector(selector);
    for (const bar of place.querySelectorAll(".bar")) {
      if (told.promised === null) continue;
      const line = document.createElement("i");
      line.style.left = `${100 * told.promised}%`;
      bar.append(line);
    }
    const verb = told.promised === null ? "finds it in" : "is right in";
    const show = () => {
      const point = told.points[Number(input.value)];
      part(".knob").textContent = `${told.knob}: ${point.place}`;
      for (const who of ["usual", "ours"]) {
        part(`.bar.${who} span`).style.width = `${100 * point[who]}%`;
        part(`p.${who}`).textContent = `${told[who]} ${verb} ${(100 * point[who]).toFixed(0)} %`;
      }
      part("p.words").textContent = point.words;
    };
    input.addEventListener("input", show);
    show();
  }
});
