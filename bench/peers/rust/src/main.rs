// One route: hyper, the crates qrcode and png, one thread because there is one core.
use std::error::Error;
use std::net::SocketAddr;

use hyper::header::{HeaderValue, CONTENT_TYPE};
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server, StatusCode};
use qrcode::{Color, EcLevel, QrCode};

const MARGIN: usize = 4;
const SCALE: usize = 4;

type Failure = Box<dyn Error + Send + Sync>;

/// Rows of one bit a pixel, light is 1, with the quiet zone around.
fn paint(code: &QrCode) -> (usize, Vec<u8>) {
    let modules = code.width();
    let width = (modules + 2 * MARGIN) * SCALE;
    let row_bytes = (width + 7) / 8;
    let mut pixels = vec![0xff; row_bytes * width];
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color != Color::Dark {
            continue;
        }
        let left = (index % modules + MARGIN) * SCALE;
        let top = (index / modules + MARGIN) * SCALE;
        for y in top..top + SCALE {
            for x in left..left + SCALE {
                pixels[y * row_bytes + x / 8] &= !(0x80 >> (x % 8));
            }
        }
    }
    (width, pixels)
}

fn data_url(text: &str) -> Result<String, Failure> {
    let (width, pixels) = paint(&QrCode::with_error_correction_level(text, EcLevel::M)?);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, width as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(format!("data:image/png;base64,{}", base64::encode(&file)))
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Failure> {
    let text = request
        .uri()
        .query()
        .and_then(|query| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "text"))
        .map(|(_, value)| value.into_owned())
        .unwrap_or_else(|| "QR TEST".to_owned());
    let mut response = match data_url(&text) {
        Ok(url) => Response::new(Body::from(serde_json::json!({ "result": url }).to_string())),
        Err(error) => {
            let mut refused = Response::new(Body::from(serde_json::json!({ "error": error.to_string() }).to_string()));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            refused
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let port = std::env::var("PORT")?.parse()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let service = make_service_fn(|_| async { Ok::<_, Failure>(service_fn(answer)) });
    Server::try_bind(&address)?.tcp_nodelay(true).serve(service).await?;
    Ok(())
}
