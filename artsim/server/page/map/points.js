/** Points drawn by the graphics card: a hundred thousand of them at every frame. */

const VERTEX = `
  attribute vec2 place;
  attribute vec4 color;
  uniform vec4 view; // scale and shift, across and down
  uniform float size;
  varying vec4 filled;
  void main() {
    gl_Position = vec4(place * view.xy + view.zw, 0.0, 1.0);
    gl_PointSize = size;
    filled = color;
  }`;
const FRAGMENT = `
  precision mediump float;
  varying vec4 filled;
  void main() {
    float edge = smoothstep(0.5, 0.4, length(gl_PointCoord - 0.5));
    gl_FragColor = vec4(filled.rgb, filled.a) * edge * vec4(vec3(filled.a), 1.0);
  }`;

/**
 * Make what draws points on a canvas: by WebGL, or point by point where there is none.
 *
 * @returns set(x, y, colors): places, and four bytes a point; draw({scaleX, scaleY, shiftX, shiftY},
 *   size, density): a place is shown at scale * place + shift, in pixels; resize(width, height).
 */
export function makePoints(canvas) {
  const gl = canvas.getContext("webgl", { alpha: true, antialias: false, premultipliedAlpha: true });
  return gl ? byCard(canvas, gl) : byHand(canvas);
}

function byCard(canvas, gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const [view, size] = [uniform("view"), uniform("size")];
  const buffers = [gl.createBuffer(), gl.createBuffer()];
  let count = 0;

  function attribute(buffer, name, data, parts, type, isScaled) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, parts, type, isScaled, 0, 0);
  }

  return {
    set(x, y, colors) {
      count = x.length;
      const places = new Float32Array(2 * count);
      for (let at = 0; at < count; at++) {
        places[2 * at] = x[at];
        places[2 * at + 1] = y[at];
      }
      attribute(buffers[0], "place", places, 2, gl.FLOAT, false);
      attribute(buffers[1], "color", colors, 4, gl.UNSIGNED_BYTE, true);
    },
    draw({ scaleX, scaleY, shiftX, shiftY }, diameter, density) {
      const [width, height] = [canvas.width / density, canvas.height / density];
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform4f(
        view,
        (2 * scaleX) / width,
        (-2 * scaleY) / height,
        (2 * shiftX) / width - 1,
        1 - (2 * shiftY) / height,
      );
      gl.uniform1f(size, diameter * density);
      gl.drawArrays(gl.POINTS, 0, count);
    },
  };
}

function byHand(canvas) {
  const context = canvas.getContext("2d");
  let [x, y, colors] = [new Float32Array(), new Float32Array(), new Uint8Array()];
  return {
    set(...given) {
      [x, y, colors] = given;
    },
    draw({ scaleX, scaleY, shiftX, shiftY }, diameter, density) {
      context.setTransform(density, 0, 0, density, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (let at = 0; at < x.length; at++) {
        const [left, top] = [x[at] * scaleX + shiftX, y[at] * scaleY + shiftY];
        if (left < -9 || top < -9 || left > canvas.width || top > canvas.height) continue;
        const [r, g, b, a] = colors.subarray(4 * at, 4 * at + 4);
        context.fillStyle = `rgb(${r} ${g} ${b} / ${a / 255})`;
        context.fillRect(left - diameter / 2, top - diameter / 2, diameter, diameter);
      }
    },
  };
}
